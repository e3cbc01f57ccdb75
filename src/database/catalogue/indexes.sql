SELECT 'index', 'pg_class'::regclass::oid, r.oid, 0, c.schema || '.' || quote_ident(r.relname),
  pg_get_indexdef(r.oid)
  || coalesce((SELECT ' statistics (' || string_agg(a.attnum || '=' || a.attstattarget, ', '
         ORDER BY a.attnum) || ')'
       FROM pg_attribute a WHERE a.attrelid = r.oid AND a.attstattarget >= 0), '')
  || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END,
  ''
FROM pg_index i
JOIN relation c ON c.oid = i.indrelid
JOIN pg_class r ON r.oid = i.indexrelid
WHERE NOT r.relispartition
  AND NOT EXISTS (SELECT FROM pg_constraint k
    WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x'))
