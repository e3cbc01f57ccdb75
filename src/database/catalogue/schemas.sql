-- `public` is there from the beginning; its privileges are not.
SELECT CASE n.nspname WHEN 'public' THEN '' ELSE 'schema' END,
  'pg_namespace'::regclass::oid, n.oid, 0, n.name, '', ''
FROM namespace n
WHERE n.nspname <> {ledger}
  AND (n.nspname = 'public' OR NOT EXISTS (SELECT FROM provider p WHERE p.oid = n.nspowner))
  AND NOT EXISTS (SELECT FROM member m WHERE m.class = 'pg_namespace'::regclass AND m.oid = n.oid)
