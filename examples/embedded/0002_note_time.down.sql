ALTER TABLE note DROP COLUMN written_at;
