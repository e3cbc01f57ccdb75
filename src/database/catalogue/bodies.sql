SELECT 'body', 0::oid, 0::oid, 0, c.name, pg_get_viewdef(c.oid), ''
FROM relation c
WHERE c.relkind IN ('v', 'm')
UNION ALL
SELECT 'body', 0::oid, 0::oid, 0, c.name || '.' || quote_ident(r.rulename), pg_get_ruledef(r.oid), ''
FROM pg_rewrite r
JOIN relation c ON c.oid = r.ev_class
WHERE r.rulename <> '_RETURN'
UNION ALL
SELECT 'body', 0::oid, 0::oid, 0, p.name, pg_get_function_sqlbody(p.oid), ''
FROM routine p
WHERE p.prosqlbody IS NOT NULL
UNION ALL
-- Of a policy's conditions only those that hold a query.
SELECT 'body', 0::oid, 0::oid, 0, c.name || '.' || quote_ident(p.polname) || '.' || e.part,
  pg_get_expr(e.expression, p.polrelid), ''
FROM pg_policy p
JOIN relation c ON c.oid = p.polrelid
CROSS JOIN LATERAL (VALUES ('using', p.polqual), ('check', p.polwithcheck)) AS e (part, expression)
WHERE e.expression::text LIKE '%{SUBLINK %'
