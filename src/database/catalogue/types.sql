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
  ELSE 'base' END,
  ''
FROM type t
