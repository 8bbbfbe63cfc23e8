"""Rules that the database keeps by itself, so no later code, shell or mistake can break them.

A migration that rebuilds one of these tables on SQLite drops its triggers: let it run `install` again.
"""

from dataclasses import dataclass

from django.db.backends.base.schema import BaseDatabaseSchemaEditor


@dataclass(frozen=True, slots=True)
class Trigger:
    """refuses: SQL over OLD and NEW that is true where the event is refused, written for PostgreSQL."""

    name: str
    table: str
    event: str  # INSERT, UPDATE or DELETE
    refuses: str
    message: str


def unchanged(columns: tuple[str, ...]) -> str:
    """SQL that is true where none of the columns changes; `=` would not see NULL."""
    return " AND ".join(f"NOT (OLD.{column} IS DISTINCT FROM NEW.{column})" for column in columns)


def install(editor: BaseDatabaseSchemaEditor, triggers: tuple[Trigger, ...]) -> None:
    statements = _postgresql if editor.connection.vendor == "postgresql" else _sqlite
    for trigger in triggers:
        for statement in statements(trigger):
            editor.execute(statement, params=None)


def remove(editor: BaseDatabaseSchemaEditor, triggers: tuple[Trigger, ...]) -> None:
    for trigger in triggers:
        on_table = f" ON {trigger.table}" if editor.connection.vendor == "postgresql" else ""
        editor.execute(f"DROP TRIGGER IF EXISTS {trigger.name}{on_table}")


def _sqlite(trigger: Trigger) -> list[str]:
    # SQLite learnt IS DISTINCT FROM in 3.39; IS NOT is the same and older.
    refuses = trigger.refuses.replace("IS DISTINCT FROM", "IS NOT")
    return [
        f"DROP TRIGGER IF EXISTS {trigger.name}",
        f"CREATE TRIGGER {trigger.name} BEFORE {trigger.event} ON {trigger.table} FOR EACH ROW "
        f"WHEN {refuses} BEGIN SELECT RAISE(ABORT, '{trigger.message}'); END",
    ]


def _postgresql(trigger: Trigger) -> list[str]:
    # A function per trigger: PostgreSQL allows no subquery in WHEN.
    row = "OLD" if trigger.event == "DELETE" else "NEW"
    return [
        f"CREATE OR REPLACE FUNCTION {trigger.name}() RETURNS trigger AS $$ BEGIN "
        f"IF {trigger.refuses} THEN "
        f"RAISE EXCEPTION '{trigger.message}' USING ERRCODE = 'integrity_constraint_violation'; END IF; "
        f"RETURN {row}; END $$ LANGUAGE plpgsql",
        f"DROP TRIGGER IF EXISTS {trigger.name} ON {trigger.table}",
        f"CREATE TRIGGER {trigger.name} BEFORE {trigger.event} ON {trigger.table} "
        f"FOR EACH ROW EXECUTE FUNCTION {trigger.name}()",
    ]
