-- A database as Alembic has left it at revision 0003, with the shop's data in it. It stands for the
-- dump of an existing one; the shop's tables belong to the role that castoff migrates as.

SET SESSION AUTHORIZATION shop;

CREATE TABLE alembic_version (
    version_num character varying(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO alembic_version (version_num) VALUES ('0003');

CREATE TABLE customer (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    email      text
);
CREATE UNIQUE INDEX customer_email_key ON customer (lower(email));

CREATE TABLE product (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku         text NOT NULL UNIQUE,
    title       text NOT NULL,
    price_cents integer NOT NULL CHECK (price_cents >= 0)
);

CREATE TYPE order_state AS ENUM ('open', 'paid', 'shipped', 'cancelled');

CREATE TABLE "order" (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customer (id),
    state       order_state NOT NULL DEFAULT 'open',
    placed_at   timestamptz NOT NULL DEFAULT now(),
    total_cents bigint NOT NULL DEFAULT 0
);

CREATE TABLE order_line (
    order_id    bigint NOT NULL REFERENCES "order" (id) ON DELETE CASCADE,
    product_id  bigint NOT NULL REFERENCES product (id),
    quantity    integer NOT NULL CHECK (quantity > 0),
    price_cents integer NOT NULL CHECK (price_cents >= 0),
    PRIMARY KEY (order_id, product_id)
);
COMMENT ON COLUMN order_line.price_cents IS 'the price on the day of the order; the product''s may change';

INSERT INTO customer (name, email) VALUES ('Ada', 'ada@example.com'), ('Grace', NULL);
INSERT INTO product (sku, title, price_cents) VALUES
    ('ROPE-10', 'rope, 10 m', 1990), ('FENDER-S', 'fender, small', 2450);
INSERT INTO "order" (customer_id, state, total_cents) VALUES (1, 'paid', 6430), (2, 'open', 1990);
INSERT INTO order_line (order_id, product_id, quantity, price_cents) VALUES
    (1, 1, 2, 1990), (1, 2, 1, 2450), (2, 1, 1, 1990);

RESET SESSION AUTHORIZATION;
