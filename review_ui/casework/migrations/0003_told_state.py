import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('casework', '0002_triggers'),
    ]

    operations = [
        migrations.CreateModel(
            name='ToldState',
            fields=[
                ('material', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='told', serialize=False, to='casework.material')),
                ('state', models.CharField(choices=[('queued', 'In the queue'), ('needs_capture', 'Back to collection'), ('second_review', 'Waits for a second opinion'), ('third_review', 'Opinions differ: a third person decides'), ('approved', 'Approved'), ('rejected', 'Rejected'), ('handed_over', 'Handed over'), ('packaged', 'In a package')], max_length=20)),
            ],
        ),
    ]
