-- The roles of the example, made when the database's volume is new (/docker-entrypoint-initdb.d).
--
-- shop owns the schema: castoff migrates as it. shop_app is the application: it changes rows of the
-- owner's tables, and reads what castoff has recorded, which a start at head and `wait` need.

SELECT rtrim(pg_read_file('/run/secrets/shop_password'), E'\n') AS shop_password,
       rtrim(pg_read_file('/run/secrets/shop_app_password'), E'\n') AS shop_app_password
\gset
CREATE ROLE shop LOGIN PASSWORD :'shop_password';
CREATE ROLE shop_app LOGIN PASSWORD :'shop_app_password';

-- The owner may create schemas, and in PostgreSQL 15 or newer tables in public.
ALTER DATABASE :"DBNAME" OWNER TO shop;

ALTER DEFAULT PRIVILEGES FOR ROLE shop GRANT USAGE ON SCHEMAS TO shop_app;
ALTER DEFAULT PRIVILEGES FOR ROLE shop GRANT SELECT ON TABLES TO shop_app;
ALTER DEFAULT PRIVILEGES FOR ROLE shop IN SCHEMA public
    GRANT INSERT, UPDATE, DELETE ON TABLES TO shop_app;
ALTER DEFAULT PRIVILEGES FOR ROLE shop IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO shop_app;
