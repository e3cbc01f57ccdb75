-- What every other query builds on: whose objects are left out, and the names of the others.
WITH
provider AS MATERIALIZED (
  SELECT r.oid FROM pg_roles r WHERE r.rolname IN ({provider_roles})
),
-- What belongs to an extension.
member AS MATERIALIZED (
  SELECT d.classid AS class, d.objid AS oid
  FROM pg_depend d
  WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
),
namespace AS MATERIALIZED (
  SELECT n.oid, n.nspname, n.nspowner, quote_ident(n.nspname) AS name
  FROM pg_namespace n
  WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname NOT IN ({provider_schemas})
),
relation AS MATERIALIZED (
  SELECT c.*, n.name AS schema, n.name || '.' || quote_ident(c.relname) AS name
  FROM pg_class c
  JOIN namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'c', 'S')
    AND NOT (n.nspname = {ledger} AND c.relname IN ('revision', 'ledger'))
    AND c.relname <> 'alembic_version'
    AND NOT EXISTS (SELECT FROM provider p WHERE p.oid = c.relowner)
    AND NOT EXISTS (SELECT FROM member m WHERE m.class = 'pg_class'::regclass AND m.oid = c.oid)
    -- Of a composite type only the row in pg_type belongs to the extension.
    AND NOT EXISTS (SELECT FROM member m
      WHERE c.relkind = 'c' AND m.class = 'pg_type'::regclass AND m.oid = c.reltype)
),
type AS MATERIALIZED (
  SELECT t.*, n.name || '.' || quote_ident(t.typname) AS name
  FROM pg_type t
  JOIN namespace n ON n.oid = t.typnamespace
  WHERE (t.typtype IN ('e', 'd', 'r')
      OR t.typtype = 'c' AND EXISTS (
        SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c')
      OR t.typtype = 'b' AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
      OR t.typtype = 'p' AND NOT t.typisdefined)
    AND NOT EXISTS (SELECT FROM provider p WHERE p.oid = t.typowner)
    AND NOT EXISTS (SELECT FROM member m WHERE m.class = 'pg_type'::regclass AND m.oid = t.oid)
),
routine AS MATERIALIZED (
  SELECT p.*, n.name || '.' || quote_ident(p.proname) || '(' || coalesce((
      SELECT string_agg(format_type(u.type, NULL), ', ' ORDER BY u.position)
      FROM unnest(p.proargtypes) WITH ORDINALITY AS u (type, position)), '') || ')' AS name
  FROM pg_proc p
  JOIN namespace n ON n.oid = p.pronamespace
  WHERE NOT EXISTS (SELECT FROM provider o WHERE o.oid = p.proowner)
    -- Of an extension, or a range type's constructor.
    AND NOT EXISTS (SELECT FROM pg_depend d
      WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
),
-- What a sequence has otherwise than its type and direction imply.
sequence AS NOT MATERIALIZED (
  SELECT s.seqrelid AS oid, s.seqtypid AS type,
    CASE WHEN s.seqstart = CASE WHEN s.seqincrement > 0 THEN s.seqmin ELSE s.seqmax END THEN ''
      ELSE ' start ' || s.seqstart END
    || CASE WHEN s.seqincrement = 1 THEN '' ELSE ' increment ' || s.seqincrement END
    || CASE WHEN s.seqmin = CASE WHEN s.seqincrement > 0 THEN 1 ELSE w.least END THEN ''
      ELSE ' minvalue ' || s.seqmin END
    || CASE WHEN s.seqmax = CASE WHEN s.seqincrement > 0 THEN w.greatest ELSE -1 END THEN ''
      ELSE ' maxvalue ' || s.seqmax END
    || CASE WHEN s.seqcache = 1 THEN '' ELSE ' cache ' || s.seqcache END
    || CASE WHEN s.seqcycle THEN ' cycle' ELSE '' END AS options
  FROM pg_sequence s
  JOIN (VALUES ('smallint'::regtype, -32768, 32767), ('integer'::regtype, -2147483648, 2147483647),
    ('bigint'::regtype, -9223372036854775808, 9223372036854775807)) AS w (type, least, greatest)
    ON w.type = s.seqtypid
),
-- The members of the operator families, with the type of their first operand.
support AS NOT MATERIALIZED (
  SELECT a.amopfamily AS family, a.amoplefttype AS type,
    'operator ' || a.amopstrategy || ' ' || a.amopopr::regoperator::text
    || coalesce(' for order by '
      || (pg_identify_object('pg_opfamily'::regclass, nullif(a.amopsortfamily, 0), 0)).identity, '') AS text
  FROM pg_amop a
  UNION ALL
  SELECT p.amprocfamily, p.amproclefttype, 'function ' || p.amprocnum
    || ' (' || format_type(p.amproclefttype, NULL) || ', ' || format_type(p.amprocrighttype, NULL) || ') '
    || p.amproc::oid::regprocedure::text
  FROM pg_amproc p
)
