-- A schema with PostgreSQL's own names, each of which complains when it is used.
CREATE SCHEMA evil;

DO $do$
DECLARE
  o record;
BEGIN
  FOR o IN SELECT oid, oprname, oprleft::regtype AS l, oprright::regtype AS r FROM pg_operator
    WHERE oprname IN ('=', '<>', '<', '>', '||', '>=', '<=', '-', '*', '+', '/', '~', '~~', '!~~')
      AND oprleft <> 0 AND NOT (oprleft::regtype::text LIKE 'any%' AND oprright::regtype::text LIKE 'any%')
    UNION ALL
    SELECT 1, '=', 'text[]', 'text[]'
    UNION ALL
    SELECT 2, '<>', 'text[]', 'text[]'
  LOOP
    EXECUTE format('CREATE FUNCTION evil.operator_%s(%s, %s) RETURNS boolean LANGUAGE plpgsql AS %L',
      o.oid, o.l, o.r, 'BEGIN RAISE ''an evil operator was called''; END');
    EXECUTE format('CREATE OPERATOR evil.%s (FUNCTION = evil.operator_%s, LEFTARG = %s, RIGHTARG = %s)',
      o.oprname, o.oid, o.l, o.r);
  END LOOP;

  FOR o IN SELECT DISTINCT proname, array_to_string(proargtypes::regtype[], ', ') AS arguments
    FROM pg_proc WHERE prokind = 'f' AND pronargs = array_length(proargtypes::oid[], 1) + 0
      AND NOT proargtypes::oid[] && ARRAY['cstring'::regtype, 'internal'::regtype, '"any"'::regtype]::oid[]
      AND proname IN ('set_config', 'current_setting', 'has_schema_privilege', 'has_table_privilege',
        'array_to_tsvector', 'ts_stat', 'array_to_json', 'current_schemas', 'pg_try_advisory_lock',
        'pg_advisory_unlock', 'pg_blocking_pids', 'unnest', 'left', 'regexp_replace', 'format',
        'to_regclass', 'to_char', 'host', 'pg_get_userbyid', 'date_part', 'array_in')
    UNION ALL
    SELECT unnest(ARRAY['now', 'clock_timestamp', 'pg_is_in_recovery', 'pg_backend_pid',
      'current_database', 'version']), ''
  LOOP
    EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS text LANGUAGE plpgsql AS %L',
      o.proname, o.arguments, 'BEGIN RAISE ''an evil function was called''; END');
  END LOOP;

  FOR o IN SELECT unnest(ARRAY['text', 'int4', 'int8', 'oid', 'bool', 'name', 'timestamptz', 'regclass',
    'tsvector', 'cstring', 'revision', 'ledger', 'pg_class', 'pg_namespace', 'pg_locks', 'pg_index',
    'pg_stat_activity', 'pg_stat_progress_create_index', 'pg_database', 'pg_depend', 'pg_proc',
    'pg_type', 'pg_attribute', 'pg_inherits']) AS name
  LOOP
    EXECUTE format('CREATE VIEW evil.%I AS SELECT 1 / (random() * 0)::int AS evil', o.name);
  END LOOP;
END $do$;

CREATE AGGREGATE evil.count(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '40');
CREATE AGGREGATE evil.array_agg(pg_catalog.text) (SFUNC = textcat, STYPE = pg_catalog.text);
CREATE AGGREGATE evil.bool_and(boolean)
  (SFUNC = booland_statefunc, STYPE = boolean, INITCOND = 'false');
