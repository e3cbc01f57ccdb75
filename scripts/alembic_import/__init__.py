"""The parts of scripts/import-alembic: it says what they do."""
