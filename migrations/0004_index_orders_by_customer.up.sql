-- index orders by customer
--
-- Create Date: 2024-04-18 16:20:55
-- Transaction: none

CREATE INDEX CONCURRENTLY order_customer_id_idx ON "order" (customer_id, placed_at DESC);
