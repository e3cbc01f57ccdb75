ALTER TABLE "order" DROP COLUMN total_cents;
