from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection


class Command(BaseCommand):
    help = "Tells whether the database can be reached, as whom and where."
    requires_system_checks = []

    def handle(self, *args, **options):
        settings = connection.settings_dict
        where = f"{settings['USER']}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"
        try:
            with connection.cursor() as cursor:
                cursor.execute("SHOW server_version")
                (version,) = cursor.fetchone()
        except DatabaseError as error:
            raise CommandError(f"No connection to {where}: {error}") from error
        self.stdout.write(self.style.SUCCESS(f"Connected to {where} (PostgreSQL {version})"))
