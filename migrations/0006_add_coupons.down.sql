ALTER TABLE "order" DROP COLUMN coupon_code;
DROP TABLE coupon;
