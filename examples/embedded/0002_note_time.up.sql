-- say when a note was written
-- Create Date: 2024-06-08
ALTER TABLE note ADD COLUMN written_at timestamptz NOT NULL DEFAULT now();
