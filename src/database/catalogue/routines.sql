SELECT CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END,
  'pg_proc'::regclass::oid, p.oid, 0, p.name,
  '(' || pg_get_function_arguments(p.oid) || ')'
  || CASE WHEN p.prokind = 'p' THEN '' ELSE ' returns ' || pg_get_function_result(p.oid) END
  || ' language ' || quote_ident(l.lanname)
  || CASE WHEN p.protrftypes IS NULL THEN '' ELSE ' transform (' || (
       SELECT string_agg(format_type(u.type, NULL), ', ' ORDER BY u.position)
       FROM unnest(p.protrftypes) WITH ORDINALITY AS u (type, position)) || ')' END
  || CASE WHEN p.prokind = 'w' THEN ' window' ELSE '' END
  || CASE p.provolatile WHEN 'i' THEN ' immutable' WHEN 's' THEN ' stable' ELSE '' END
  || CASE WHEN p.proisstrict THEN ' strict' ELSE '' END
  || CASE WHEN p.prosecdef THEN ' security definer' ELSE '' END
  || CASE WHEN p.proleakproof THEN ' leakproof' ELSE '' END
  || CASE p.proparallel WHEN 's' THEN ' parallel safe' WHEN 'r' THEN ' parallel restricted' ELSE '' END
  || CASE WHEN p.procost = CASE WHEN l.lanname IN ('c', 'internal') THEN 1 ELSE 100 END THEN ''
     ELSE ' cost ' || p.procost END
  || CASE WHEN p.prorows = CASE WHEN p.proretset THEN 1000 ELSE 0 END THEN ''
     ELSE ' rows ' || p.prorows END
  || CASE WHEN p.prosupport = 0 THEN '' ELSE ' support ' || p.prosupport::oid::regprocedure::text END
  || CASE WHEN p.proconfig IS NULL THEN '' ELSE (
       -- The server keeps a list of names as quoted names, and every other value as it is.
       SELECT string_agg(' set ' || quote_ident(o.option_name) || ' to '
         || CASE WHEN o.option_name IN ('search_path', 'temp_tablespaces', 'local_preload_libraries',
              'session_preload_libraries') THEN o.option_value
            ELSE quote_literal(o.option_value) END, '' ORDER BY o.option_name COLLATE "C")
       FROM pg_options_to_table(p.proconfig) o) END
  || CASE WHEN p.prosqlbody IS NOT NULL THEN ''
     WHEN p.probin IS NOT NULL THEN ' as ' || quote_literal(p.probin) || ', ' ELSE ' as ' END,
  CASE WHEN p.prosqlbody IS NULL THEN p.prosrc ELSE '' END
FROM routine p
JOIN pg_language l ON l.oid = p.prolang
WHERE p.prokind IN ('f', 'w', 'p')
