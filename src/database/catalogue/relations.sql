SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized_view' ELSE 'table' END,
  'pg_class'::regclass::oid, c.oid, 0, c.name,
  CASE WHEN c.relpersistence = 'u' THEN ' unlogged' ELSE '' END
  || CASE WHEN c.reloftype <> 0 THEN ' of ' || format_type(c.reloftype, NULL) ELSE '' END
  || CASE WHEN c.relispartition THEN (
       SELECT ' partition of ' || i.inhparent::regclass::text || ' '
         || pg_get_expr(c.relpartbound, c.oid)
         || CASE WHEN i.inhdetachpending THEN ' detach pending' ELSE '' END
       FROM pg_inherits i WHERE i.inhrelid = c.oid)
     ELSE coalesce((
       SELECT ' inherits (' || string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno) || ')'
       FROM pg_inherits i WHERE i.inhrelid = c.oid), '') END
  || CASE WHEN c.relkind = 'p' THEN ' partition by ' || pg_get_partkeydef(c.oid) ELSE '' END
  || CASE WHEN c.relkind = 'f' THEN (
       SELECT ' server ' || quote_ident(s.srvname)
         || CASE WHEN f.ftoptions IS NULL THEN '' ELSE ' options (' || (
              SELECT string_agg(quote_ident(o.option_name) || ' ' || quote_literal(o.option_value),
                ', ' ORDER BY o.option_name COLLATE "C")
              FROM pg_options_to_table(f.ftoptions) o) || ')' END
       FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver
       WHERE f.ftrelid = c.oid) ELSE '' END
  || CASE WHEN a.amname <> 'heap' THEN ' using ' || quote_ident(a.amname) ELSE '' END
  || CASE WHEN num_nulls(c.reloptions, t.reloptions) = 2 THEN '' ELSE ' with (' || (
       SELECT string_agg(o.prefix || quote_ident(o.option_name) || '=' || quote_literal(o.option_value),
         ', ' ORDER BY o.prefix COLLATE "C", o.option_name COLLATE "C")
       FROM (SELECT '' AS prefix, * FROM pg_options_to_table(c.reloptions)
         UNION ALL SELECT 'toast.', * FROM pg_options_to_table(t.reloptions)) o) || ')' END
  || CASE WHEN c.relrowsecurity THEN ' row level security' ELSE '' END
  || CASE WHEN c.relforcerowsecurity THEN ' forced' ELSE '' END
  || CASE WHEN c.relkind NOT IN ('r', 'p', 'm') THEN '' WHEN c.relreplident = 'f' THEN ' replica identity full'
     WHEN c.relreplident = 'n' THEN ' replica identity nothing'
     WHEN c.relreplident = 'i' THEN coalesce((SELECT ' replica identity using index ' || quote_ident(r.relname)
       FROM pg_index i JOIN pg_class r ON r.oid = i.indexrelid
       WHERE i.indrelid = c.oid AND i.indisreplident), ' replica identity nothing')
     ELSE '' END
  || coalesce((SELECT ' cluster on ' || quote_ident(r.relname)
       FROM pg_index i JOIN pg_class r ON r.oid = i.indexrelid
       WHERE i.indrelid = c.oid AND i.indisclustered), ''),
  ''
FROM relation c
LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
LEFT JOIN pg_am a ON a.oid = c.relam
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')
