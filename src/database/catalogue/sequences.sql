SELECT 'sequence', 'pg_class'::regclass::oid, c.oid, 0, c.name,
  -- Since 15 a sequence that belongs to an unlogged table is unlogged as well.
  CASE WHEN c.relpersistence = 'u' AND o.owner IS NULL THEN 'unlogged ' ELSE '' END
  || format_type(s.type, NULL) || s.options || coalesce(' owned by ' || o.owner, ''),
  ''
FROM relation c
JOIN sequence s ON s.oid = c.oid
LEFT JOIN LATERAL (
  SELECT d.refobjid::regclass::text || '.' || quote_ident(a.attname) AS owner
  FROM pg_depend d
  JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'a'
    AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0) o ON true
WHERE NOT EXISTS (SELECT FROM pg_depend d
  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i')
