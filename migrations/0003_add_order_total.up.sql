-- keep each order's total
--
-- Create Date: 2024-04-02 10:45:31
-- Statement-Timeout: 5m
--
-- The totals of the orders that are already there are computed from their lines.

ALTER TABLE "order" ADD COLUMN total_cents bigint;

UPDATE "order" o
   SET total_cents = coalesce(
           (SELECT sum(l.quantity::bigint * l.price_cents) FROM order_line l WHERE l.order_id = o.id),
           0);

ALTER TABLE "order"
    ALTER COLUMN total_cents SET DEFAULT 0,
    ALTER COLUMN total_cents SET NOT NULL;
