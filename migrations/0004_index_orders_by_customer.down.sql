-- Transaction: none

DROP INDEX CONCURRENTLY order_customer_id_idx;
