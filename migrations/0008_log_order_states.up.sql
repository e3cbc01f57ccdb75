-- log every change of an order's state
--
-- Create Date: 2024-06-20 15:38:02

CREATE TABLE order_event (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id    bigint NOT NULL REFERENCES "order" (id) ON DELETE CASCADE,
    state       order_state NOT NULL,
    happened_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO order_event (order_id, state, happened_at)
SELECT id, state, placed_at FROM "order";

CREATE FUNCTION log_order_state() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO order_event (order_id, state) VALUES (NEW.id, NEW.state);
    RETURN NULL;
END;
$$;

CREATE TRIGGER log_order_state
AFTER INSERT OR UPDATE OF state ON "order"
FOR EACH ROW EXECUTE FUNCTION log_order_state();
