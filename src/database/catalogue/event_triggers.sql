SELECT 'event_trigger', 'pg_event_trigger'::regclass::oid, e.oid, 0, quote_ident(e.evtname),
  'on ' || e.evtevent
  || CASE WHEN e.evttags IS NULL THEN '' ELSE ' when tag in (' || (
       SELECT string_agg(quote_literal(u.tag), ', ' ORDER BY u.tag COLLATE "C")
       FROM unnest(e.evttags) AS u (tag)) || ')' END
  || ' execute function ' || e.evtfoid::regprocedure::text
  || CASE e.evtenabled WHEN 'O' THEN '' WHEN 'D' THEN ' disabled' WHEN 'R' THEN ' replica'
     ELSE ' always' END,
  ''
FROM pg_event_trigger e
WHERE NOT EXISTS (SELECT FROM provider p WHERE p.oid = e.evtowner)
  AND NOT EXISTS (SELECT FROM member m WHERE m.class = 'pg_event_trigger'::regclass AND m.oid = e.oid)
