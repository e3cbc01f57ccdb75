SELECT 'statistics', 'pg_statistic_ext'::regclass::oid, s.oid, 0, n.name || '.' || quote_ident(s.stxname),
  pg_get_statisticsobjdef(s.oid)
  -- Up to 16 the default is -1, since 17 it is null.
  || CASE WHEN s.stxstattarget >= 0 THEN ' statistics ' || s.stxstattarget ELSE '' END,
  ''
FROM pg_statistic_ext s
JOIN namespace n ON n.oid = s.stxnamespace
JOIN relation c ON c.oid = s.stxrelid
WHERE NOT EXISTS (SELECT FROM provider p WHERE p.oid = s.stxowner)
  AND NOT EXISTS (SELECT FROM member m WHERE m.class = 'pg_statistic_ext'::regclass AND m.oid = s.oid)
