SELECT 'object', o.class::oid, o.oid, 0, replace(i.type, ' ', '_') || '('
    -- Of a transform, 15 says `on language`.
    || CASE i.type WHEN 'transform' THEN replace(i.identity, ' on language ', ' language ')
       ELSE i.identity END || ')',
  CASE o.class
  WHEN 'pg_operator'::regclass THEN (
    SELECT concat_ws(' ', coalesce('function ' || nullif(p.oprcode::oid, 0)::regprocedure::text, 'shell'),
      'commutator ' || nullif(p.oprcom, 0)::regoperator::text,
      'negator ' || nullif(p.oprnegate, 0)::regoperator::text,
      'restrict ' || nullif(p.oprrest::oid, 0)::regprocedure::text,
      'join ' || nullif(p.oprjoin::oid, 0)::regprocedure::text,
      CASE WHEN p.oprcanhash THEN 'hashes' END,
      CASE WHEN p.oprcanmerge THEN 'merges' END)
    FROM pg_operator p WHERE p.oid = o.oid)
  WHEN 'pg_opclass'::regclass THEN (
    SELECT concat_ws(' ', CASE WHEN p.opcdefault THEN 'default' END,
      'for ' || format_type(p.opcintype, NULL),
      'family ' || (pg_identify_object('pg_opfamily'::regclass, p.opcfamily, 0)).identity,
      'storage ' || format_type(nullif(p.opckeytype, 0), NULL),
      (SELECT 'as ' || string_agg(s.text, ', ' ORDER BY s.text COLLATE "C") FROM support s
       WHERE s.family = p.opcfamily AND s.type = p.opcintype))
    FROM pg_opclass p WHERE p.oid = o.oid)
  WHEN 'pg_opfamily'::regclass THEN (
    -- What is of a class stands with the class.
    SELECT coalesce('as ' || string_agg(s.text, ', ' ORDER BY s.text COLLATE "C"), '') FROM support s
    WHERE s.family = o.oid
      AND NOT EXISTS (SELECT FROM pg_opclass c WHERE c.opcfamily = s.family AND c.opcintype = s.type))
  WHEN 'pg_cast'::regclass THEN (
    SELECT concat_ws(' ', CASE p.castmethod WHEN 'f' THEN 'with function ' || p.castfunc::regprocedure::text
        WHEN 'i' THEN 'with inout' ELSE 'without function' END,
      CASE p.castcontext WHEN 'a' THEN 'as assignment' WHEN 'i' THEN 'as implicit' END)
    FROM pg_cast p WHERE p.oid = o.oid)
  WHEN 'pg_collation'::regclass THEN (
    SELECT concat_ws(' ',
      CASE p.collprovider WHEN 'c' THEN 'libc ' WHEN 'i' THEN 'icu ' WHEN 'b' THEN 'builtin ' ELSE 'default ' END
      -- In 15 and 16, and since 17; 14 has every locale where libc's are. ICU's is a language tag
      -- since 16, and `de_DE` may be `de-DE`.
      || quote_literal(CASE p.collprovider
           WHEN 'i' THEN replace(coalesce(j.row ->> 'colllocale', j.row ->> 'colliculocale', p.collcollate), '_', '-')
           ELSE coalesce(j.row ->> 'colllocale', p.collcollate) END),
      CASE WHEN p.collprovider = 'c' AND p.collctype <> p.collcollate THEN 'ctype ' || quote_literal(p.collctype) END,
      CASE WHEN NOT p.collisdeterministic THEN 'nondeterministic' END,
      -- Since 16.
      'rules ' || quote_literal(j.row ->> 'collicurules'))
    FROM pg_collation p CROSS JOIN LATERAL to_jsonb(p) AS j (row) WHERE p.oid = o.oid)
  WHEN 'pg_conversion'::regclass THEN (
    SELECT concat_ws(' ', CASE WHEN p.condefault THEN 'default' END,
      'for ' || quote_literal(pg_encoding_to_char(p.conforencoding)),
      'to ' || quote_literal(pg_encoding_to_char(p.contoencoding)),
      'from ' || p.conproc::oid::regprocedure::text)
    FROM pg_conversion p WHERE p.oid = o.oid)
  WHEN 'pg_ts_parser'::regclass THEN (
    SELECT concat_ws(' ', 'start ' || p.prsstart::oid::regprocedure::text,
      'gettoken ' || p.prstoken::oid::regprocedure::text,
      'end ' || p.prsend::oid::regprocedure::text,
      'lextypes ' || p.prslextype::oid::regprocedure::text,
      'headline ' || nullif(p.prsheadline::oid, 0)::regprocedure::text)
    FROM pg_ts_parser p WHERE p.oid = o.oid)
  WHEN 'pg_ts_template'::regclass THEN (
    SELECT concat_ws(' ', 'init ' || nullif(p.tmplinit::oid, 0)::regprocedure::text,
      'lexize ' || p.tmpllexize::oid::regprocedure::text)
    FROM pg_ts_template p WHERE p.oid = o.oid)
  WHEN 'pg_ts_dict'::regclass THEN (
    SELECT concat_ws(' ', 'template ' || (pg_identify_object('pg_ts_template'::regclass, p.dicttemplate, 0)).identity,
      'with (' || p.dictinitoption || ')')
    FROM pg_ts_dict p WHERE p.oid = o.oid)
  WHEN 'pg_ts_config'::regclass THEN (
    SELECT concat_ws(' ', 'parser ' || (pg_identify_object('pg_ts_parser'::regclass, p.cfgparser, 0)).identity,
      (SELECT 'with ' || string_agg(m.token || ' (' || m.dictionaries || ')', ', ' ORDER BY m.token COLLATE "C")
       FROM (
         SELECT quote_ident(t.alias), string_agg(m.mapdict::regdictionary::text, ', ' ORDER BY m.mapseqno)
         FROM pg_ts_config_map m
         JOIN ts_token_type(p.cfgparser) t ON t.tokid = m.maptokentype
         WHERE m.mapcfg = p.oid
         GROUP BY t.alias) AS m (token, dictionaries)))
    FROM pg_ts_config p WHERE p.oid = o.oid)
  WHEN 'pg_language'::regclass THEN (
    SELECT concat_ws(' ', CASE WHEN p.lanpltrusted THEN 'trusted' END,
      'handler ' || nullif(p.lanplcallfoid, 0)::regprocedure::text,
      'inline ' || nullif(p.laninline, 0)::regprocedure::text,
      'validator ' || nullif(p.lanvalidator, 0)::regprocedure::text)
    FROM pg_language p WHERE p.oid = o.oid)
  WHEN 'pg_transform'::regclass THEN (
    SELECT concat_ws(' ', 'from sql ' || nullif(p.trffromsql::oid, 0)::regprocedure::text,
      'to sql ' || nullif(p.trftosql::oid, 0)::regprocedure::text)
    FROM pg_transform p WHERE p.oid = o.oid)
  WHEN 'pg_am'::regclass THEN (
    SELECT CASE p.amtype WHEN 't' THEN 'table' ELSE 'index' END || ' handler ' || p.amhandler::oid::regprocedure::text
    FROM pg_am p WHERE p.oid = o.oid)
  WHEN 'pg_foreign_data_wrapper'::regclass THEN (
    SELECT concat_ws(' ', 'handler ' || nullif(p.fdwhandler, 0)::regprocedure::text,
      'validator ' || nullif(p.fdwvalidator, 0)::regprocedure::text,
      (SELECT 'options (' || string_agg(quote_ident(f.option_name) || ' ' || quote_literal(f.option_value),
         ', ' ORDER BY f.option_name COLLATE "C") || ')'
       FROM pg_options_to_table(p.fdwoptions) f))
    FROM pg_foreign_data_wrapper p WHERE p.oid = o.oid)
  WHEN 'pg_foreign_server'::regclass THEN (
    SELECT concat_ws(' ', 'type ' || quote_literal(p.srvtype), 'version ' || quote_literal(p.srvversion),
      'wrapper ' || quote_ident(w.fdwname),
      (SELECT 'options (' || string_agg(quote_ident(f.option_name) || ' ' || quote_literal(f.option_value),
         ', ' ORDER BY f.option_name COLLATE "C") || ')'
       FROM pg_options_to_table(p.srvoptions) f),
      -- What a mapping is to may only be seen by whom it is of.
      (SELECT 'for ' || string_agg(u.name, ', ' ORDER BY u.name COLLATE "C")
       FROM pg_user_mappings m
       CROSS JOIN LATERAL (SELECT CASE m.umuser WHEN 0 THEN 'public'
         ELSE quote_ident(pg_get_userbyid(m.umuser)) END) AS u (name)
       WHERE m.srvid = p.oid))
    FROM pg_foreign_server p JOIN pg_foreign_data_wrapper w ON w.oid = p.srvfdw WHERE p.oid = o.oid)
  END,
  ''
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
