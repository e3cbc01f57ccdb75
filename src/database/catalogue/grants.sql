SELECT 'grant', g.class, g.oid, g.part,
  CASE g.grantee WHEN 0 THEN 'public' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
  -- 17 has a privilege more, which GRANT ALL grants.
  CASE WHEN count(*) = min(g.most) AND bool_and(g.grantable) = bool_or(g.grantable)
    THEN 'all' || CASE WHEN bool_and(g.grantable) THEN ' with grant option' ELSE '' END
    ELSE string_agg(lower(g.privilege) || CASE WHEN g.grantable THEN ' with grant option' ELSE '' END,
      ', ' ORDER BY g.privilege COLLATE "C") END,
  ''
FROM (
  SELECT o.class::oid, o.oid, o.part, a.grantee, a.privilege_type, bool_or(a.is_grantable),
    (SELECT count(*) FROM aclexplode(acldefault(o.kind, o.owner)) d WHERE d.grantee = o.owner)
  FROM (
    SELECT 'pg_class'::regclass, oid, 0, CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner,
      relacl FROM pg_class WHERE relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
    UNION ALL SELECT 'pg_class'::regclass, a.attrelid, a.attnum, 'c', c.relowner, a.attacl
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attacl IS NOT NULL
    UNION ALL SELECT 'pg_type'::regclass, oid, 0, 'T', typowner, typacl FROM pg_type
    UNION ALL SELECT 'pg_proc'::regclass, oid, 0, 'f', proowner, proacl FROM pg_proc
    UNION ALL SELECT 'pg_namespace'::regclass, oid, 0, 'n', nspowner, nspacl FROM pg_namespace
    UNION ALL SELECT 'pg_language'::regclass, oid, 0, 'l', lanowner, lanacl FROM pg_language
    UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, 0, 'F', fdwowner, fdwacl
      FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid, 0, 'S', srvowner, srvacl FROM pg_foreign_server
  ) AS o (class, oid, part, kind, owner, acl)
  CROSS JOIN LATERAL aclexplode(coalesce(o.acl, acldefault(o.kind, o.owner))) AS a
  WHERE a.grantee <> o.owner
    -- What initdb made has lower numbers. What PUBLIC may do with the schema public has changed in 15.
    AND (o.oid >= 16384
      OR a.grantee <> 0 AND o.class = 'pg_namespace'::regclass AND o.oid = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'public'))
  GROUP BY o.class, o.oid, o.part, o.kind, o.owner, a.grantee, a.privilege_type
) AS g (class, oid, part, grantee, privilege, grantable, most)
GROUP BY g.class, g.oid, g.part, g.grantee
