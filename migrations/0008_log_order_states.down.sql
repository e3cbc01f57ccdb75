DROP TRIGGER log_order_state ON "order";
DROP FUNCTION log_order_state();
DROP TABLE order_event;
