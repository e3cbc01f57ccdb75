-- add the customer's email
--
-- Create Date: 2024-03-11 14:02:08

ALTER TABLE customer ADD COLUMN email text;

CREATE UNIQUE INDEX customer_email_key ON customer (lower(email));
