SELECT 'extension', 'pg_extension'::regclass::oid, e.oid, 0, quote_ident(e.extname),
  -- Where a provider or the extension itself puts it is not the user's choice.
  coalesce((SELECT 'schema ' || n.name FROM namespace n
    WHERE n.oid = e.extnamespace AND n.nspname <> 'public'), ''),
  ''
FROM pg_extension e
WHERE e.extname <> 'plpgsql' AND NOT EXISTS (SELECT FROM provider p WHERE p.oid = e.extowner)
