"""The WSGI entry point (`review_ui.wsgi:application`)."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "review_ui.settings")
application = get_wsgi_application()
