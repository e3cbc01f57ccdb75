SELECT 'object', o.class::oid, o.oid, 0, replace(i.type, ' ', '_') || '('
    -- Of a transform, 15 says `on language`.
    || CASE i.type WHEN 'transform' THEN replace(i.identity, ' on language ', ' language ')
       ELSE i.identity END || ')',
  '', ''
FROM (
  SELECT 'pg_operator'::regclass, oid, oprnamespace, oprowner FROM pg_operator
  UNION ALL SELECT 'pg_opclass'::regclass, oid, opcnamespace, opcowner FROM pg_opclass
  UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfnamespace, opfowner FROM pg_opfamily
  UNION ALL SELECT 'pg_cast'::regclass, oid, NULL, NULL FROM pg_cast
  UNION ALL SELECT 'pg_collation'::regclass, oid, collnamespace, collowner FROM pg_collation
  UNION ALL SELECT 'pg_conversion'::regclass, oid, connamespace, conowner FROM pg_conversion
  UNION ALL SELECT 'pg_ts_parser'::regclass, oid, prsnamespace, NULL FROM pg_ts_parser
  UNION ALL SELECT 'pg_ts_template'::regclass, oid, tmplnamespace, NULL FROM pg_ts_template
  UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictnamespace, dictowner FROM pg_ts_dict
  UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgnamespace, cfgowner FROM pg_ts_config
  UNION ALL SELECT 'pg_language'::regclass, oid, NULL, lanowner FROM pg_language
  UNION ALL SELECT 'pg_transform'::regclass, oid, NULL, NULL FROM pg_transform
  UNION ALL SELECT 'pg_am'::regclass, oid, NULL, NULL FROM pg_am
  UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, NULL, fdwowner FROM pg_foreign_data_wrapper
  UNION ALL SELECT 'pg_foreign_server'::regclass, oid, NULL, srvowner FROM pg_foreign_server
) AS o (class, oid, schema, owner)
CROSS JOIN LATERAL pg_identify_object(o.class, o.oid, 0) AS i
-- What initdb made has lower numbers.
WHERE o.oid >= 16384
  AND (o.schema IS NULL OR EXISTS (SELECT FROM namespace n WHERE n.oid = o.schema))
  AND NOT EXISTS (SELECT FROM provider p WHERE p.oid = o.owner)
  -- Of an extension, or the cast of a range to its multirange.
  AND NOT EXISTS (SELECT FROM pg_depend d
    WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype IN ('e', 'i'))
