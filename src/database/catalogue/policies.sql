SELECT 'policy', 'pg_policy'::regclass::oid, p.oid, 0, c.name || '.' || quote_ident(p.polname),
  CASE WHEN p.polpermissive THEN '' ELSE 'restrictive ' END
  || 'for ' || CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update'
    WHEN 'd' THEN 'delete' ELSE 'all' END
  || ' to ' || (
    SELECT string_agg(CASE u.role WHEN 0 THEN 'public' ELSE quote_ident(pg_get_userbyid(u.role)) END,
      ', ' ORDER BY pg_get_userbyid(u.role) COLLATE "C")
    FROM unnest(p.polroles) AS u (role))
  || CASE WHEN p.polqual IS NULL THEN ''
     WHEN p.polqual::text LIKE '%{SUBLINK %' THEN ' using a query'
     ELSE ' using (' || pg_get_expr(p.polqual, p.polrelid) || ')' END
  || CASE WHEN p.polwithcheck IS NULL THEN ''
     WHEN p.polwithcheck::text LIKE '%{SUBLINK %' THEN ' with check a query'
     ELSE ' with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')' END,
  ''
FROM pg_policy p
JOIN relation c ON c.oid = p.polrelid
