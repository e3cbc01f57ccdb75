-- keep stock per warehouse
--
-- Revises: 0004
-- Create Date: 2024-05-06 08:30:12

CREATE TABLE warehouse (
    id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

CREATE TABLE stock (
    warehouse_id bigint NOT NULL REFERENCES warehouse (id),
    product_id   bigint NOT NULL REFERENCES product (id),
    quantity     integer NOT NULL DEFAULT 0 CHECK (quantity >= 0),
    PRIMARY KEY (warehouse_id, product_id)
);
