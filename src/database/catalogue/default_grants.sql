SELECT 'default_grant', 'pg_default_acl'::regclass::oid, d.oid, 0,
  CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
    WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE 'large_objects' END
  || '(for ' || quote_ident(pg_get_userbyid(d.defaclrole)) || coalesce(' in ' || quote_ident(n.nspname), '') || ')',
  -- For all schemas it is what a new object has instead of the server's privileges, so that its
  -- owner's count, and that there are none.
  coalesce((
    SELECT string_agg(g.grantee || ' ' || g.privileges, '; ' ORDER BY g.grantee COLLATE "C")
    FROM (
      SELECT CASE a.grantee WHEN 0 THEN 'public' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
        -- 17 has a privilege more, which GRANT ALL grants.
        CASE WHEN count(*) = (
            SELECT count(*) FROM aclexplode(acldefault(
              CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END, d.defaclrole)) m
            WHERE m.grantee = d.defaclrole) AND bool_and(a.grantable) = bool_or(a.grantable)
          THEN 'all' || CASE WHEN bool_and(a.grantable) THEN ' with grant option' ELSE '' END
          ELSE string_agg(lower(a.privilege) || CASE WHEN a.grantable THEN ' with grant option' ELSE '' END,
            ', ' ORDER BY a.privilege COLLATE "C") END
      FROM (
        SELECT e.grantee, e.privilege_type, bool_or(e.is_grantable) FROM aclexplode(d.defaclacl) e
        GROUP BY e.grantee, e.privilege_type) AS a (grantee, privilege, grantable)
      GROUP BY a.grantee) AS g (grantee, privileges)), 'none'),
  ''
FROM pg_default_acl d
LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
WHERE pg_get_userbyid(d.defaclrole) NOT IN ({provider_roles})
  AND (n.oid IS NULL OR n.nspname NOT LIKE 'pg\_%' AND n.nspname NOT IN ({provider_schemas}))
