SELECT 'extension', 'pg_extension'::regclass::oid, e.oid, 0, quote_ident(e.extname), '', ''
FROM pg_extension e
WHERE e.extname <> 'plpgsql' AND NOT EXISTS (SELECT FROM provider p WHERE p.oid = e.extowner)
