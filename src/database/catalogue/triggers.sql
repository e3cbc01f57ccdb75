SELECT 'trigger', 'pg_trigger'::regclass::oid, t.oid, 0, c.name || '.' || quote_ident(t.tgname),
  pg_get_triggerdef(t.oid)
  || CASE t.tgenabled WHEN 'O' THEN '' WHEN 'D' THEN ' DISABLED' WHEN 'R' THEN ' REPLICA'
     ELSE ' ALWAYS' END,
  ''
FROM pg_trigger t
JOIN relation c ON c.oid = t.tgrelid
LEFT JOIN pg_trigger parent ON parent.oid = t.tgparentid
-- A partition's clone is the parent's, unless it was switched on or off alone.
WHERE t.tgparentid = 0 AND NOT t.tgisinternal
  OR NOT parent.tgisinternal AND parent.tgenabled <> t.tgenabled
