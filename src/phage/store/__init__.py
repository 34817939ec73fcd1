"""The store: SQL, migrations, one repository a record."""
