SELECT 'constraint', 'pg_constraint'::regclass::oid, k.oid, 0,
  coalesce(c.name, d.name) || '.' || quote_ident(k.conname),
  pg_get_constraintdef(k.oid)
  || CASE WHEN r.reloptions IS NULL THEN '' ELSE ' with (' || (
       SELECT string_agg(quote_ident(o.option_name) || '=' || quote_literal(o.option_value),
         ', ' ORDER BY o.option_name COLLATE "C")
       FROM pg_options_to_table(r.reloptions) o) || ')' END
  || CASE WHEN i.indisvalid IS FALSE THEN ' INVALID' ELSE '' END
  || coalesce(s.triggers, ''),
  ''
FROM pg_constraint k
LEFT JOIN relation c ON c.oid = k.conrelid
LEFT JOIN type d ON d.oid = k.contypid
LEFT JOIN pg_index i ON i.indexrelid = k.conindid AND k.contype IN ('p', 'u', 'x')
LEFT JOIN pg_class r ON r.oid = i.indexrelid
-- A superuser can switch the triggers that a constraint is made of: of the table, of the one that a
-- foreign key refers to, or of a partition of either, which has constraints of its own for them.
LEFT JOIN (
  WITH RECURSIVE switched AS (
    SELECT t.tgconstraint, t.tgrelid, t.tgenabled
    FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid
    JOIN pg_constraint k ON k.oid = t.tgconstraint AND k.contype <> 't'
    WHERE t.tgenabled <> 'O'
      -- Since 15 a partitioned table has such triggers too, which never fire.
      AND NOT (c.relkind = 'p' AND k.conrelid = t.tgrelid)
    UNION
    SELECT k.conparentid, s.tgrelid, s.tgenabled
    FROM switched s
    JOIN pg_constraint k ON k.oid = s.tgconstraint AND k.conparentid <> 0
  )
  SELECT k.oid, string_agg(w.text, '' ORDER BY w.text COLLATE "C") AS triggers
  FROM (SELECT DISTINCT tgconstraint, tgrelid, tgenabled FROM switched) s
  JOIN pg_constraint k ON k.oid = s.tgconstraint
  CROSS JOIN LATERAL (
    SELECT CASE s.tgenabled WHEN 'D' THEN ' DISABLED' WHEN 'R' THEN ' REPLICA' ELSE ' ALWAYS' END
      || CASE WHEN s.tgrelid = k.conrelid THEN '' ELSE ' ON ' || s.tgrelid::regclass::text END AS text) w
  GROUP BY k.oid
) s ON s.oid = k.oid
WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND k.conparentid = 0 AND k.conislocal
  AND (c.oid IS NOT NULL OR d.oid IS NOT NULL)
