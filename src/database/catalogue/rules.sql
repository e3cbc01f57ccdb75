SELECT 'rule', 'pg_rewrite'::regclass::oid, r.oid, 0, c.name || '.' || quote_ident(r.rulename),
  CASE r.ev_type WHEN '1' THEN 'on select' WHEN '2' THEN 'on update' WHEN '3' THEN 'on insert'
    ELSE 'on delete' END
  || CASE WHEN r.is_instead THEN ' instead' ELSE '' END
  || CASE r.ev_enabled WHEN 'O' THEN '' WHEN 'D' THEN ' disabled' WHEN 'R' THEN ' replica'
     ELSE ' always' END,
  ''
FROM pg_rewrite r
JOIN relation c ON c.oid = r.ev_class
WHERE r.rulename <> '_RETURN'
