-- accept coupons
--
-- Revises: 0004
-- Create Date: 2024-05-07 11:54:47

CREATE TABLE coupon (
    code        text PRIMARY KEY CHECK (code = upper(code)),
    percent     smallint NOT NULL CHECK (percent BETWEEN 1 AND 100),
    valid_until date
);

ALTER TABLE "order" ADD COLUMN coupon_code text REFERENCES coupon (code);
