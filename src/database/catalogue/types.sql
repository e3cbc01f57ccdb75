SELECT CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, 'pg_type'::regclass::oid, t.oid, 0,
  t.name,
  CASE t.typtype
  WHEN 'e' THEN 'enum (' || coalesce((
    SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
    FROM pg_enum e WHERE e.enumtypid = t.oid), '') || ')'
  WHEN 'c' THEN 'composite'
  WHEN 'r' THEN (
    SELECT 'range of ' || format_type(r.rngsubtype, NULL)
      || CASE WHEN o.opcdefault THEN '' ELSE ' subtype_opclass ' || n.nspname || '.' || quote_ident(o.opcname) END
      || CASE WHEN r.rngcollation <> s.typcollation
         THEN ' collate ' || r.rngcollation::regcollation::text ELSE '' END
      || CASE WHEN r.rngcanonical = 0 THEN ''
         ELSE ' canonical ' || r.rngcanonical::oid::regprocedure::text END
      || CASE WHEN r.rngsubdiff = 0 THEN ''
         ELSE ' subtype_diff ' || r.rngsubdiff::oid::regprocedure::text END
      || ' multirange ' || format_type(r.rngmultitypid, NULL)
    FROM pg_range r
    JOIN pg_type s ON s.oid = r.rngsubtype
    JOIN pg_opclass o ON o.oid = r.rngsubopc
    JOIN pg_namespace n ON n.oid = o.opcnamespace
    WHERE r.rngtypid = t.oid)
  WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod)
    || CASE WHEN t.typcollation <> (SELECT b.typcollation FROM pg_type b WHERE b.oid = t.typbasetype)
       THEN ' collate ' || t.typcollation::regcollation::text ELSE '' END
    || CASE WHEN t.typnotnull THEN ' not null' ELSE '' END
    || CASE WHEN t.typdefaultbin IS NULL THEN '' ELSE ' default ' || pg_get_expr(t.typdefaultbin, 0) END
  WHEN 'p' THEN 'shell'
  ELSE concat_ws(' ', 'base',
    'input ' || t.typinput::oid::regprocedure::text,
    'output ' || t.typoutput::oid::regprocedure::text,
    'receive ' || nullif(t.typreceive::oid, 0)::regprocedure::text,
    'send ' || nullif(t.typsend::oid, 0)::regprocedure::text,
    'typmod_in ' || nullif(t.typmodin::oid, 0)::regprocedure::text,
    'typmod_out ' || nullif(t.typmodout::oid, 0)::regprocedure::text,
    'analyze ' || nullif(t.typanalyze::oid, 0)::regprocedure::text,
    'subscript ' || nullif(t.typsubscript::oid, 0)::regprocedure::text,
    'length ' || CASE t.typlen WHEN -1 THEN 'variable' WHEN -2 THEN 'cstring' ELSE t.typlen::text END,
    CASE WHEN t.typbyval THEN 'by value' END,
    'alignment ' || CASE t.typalign WHEN 'c' THEN 'char' WHEN 's' THEN 'int2' WHEN 'i' THEN 'int4' ELSE 'double' END,
    'storage ' || CASE t.typstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external' WHEN 'm' THEN 'main'
      ELSE 'extended' END,
    'category ' || quote_literal(t.typcategory::text),
    CASE WHEN t.typispreferred THEN 'preferred' END,
    'default ' || quote_literal(t.typdefault),
    'element ' || format_type(nullif(t.typelem, 0), NULL),
    'delimiter ' || quote_literal(t.typdelim::text),
    CASE WHEN t.typcollation <> 0 THEN 'collatable' END) END,
  ''
FROM type t
