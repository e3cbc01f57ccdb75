SELECT 'constraint', 'pg_constraint'::regclass::oid, k.oid, 0,
  coalesce(c.name, d.name) || '.' || quote_ident(k.conname),
  pg_get_constraintdef(k.oid)
  || CASE WHEN r.reloptions IS NULL THEN '' ELSE ' with (' || (
       SELECT string_agg(quote_ident(o.option_name) || '=' || quote_literal(o.option_value),
         ', ' ORDER BY o.option_name COLLATE "C")
       FROM pg_options_to_table(r.reloptions) o) || ')' END
  || CASE WHEN i.indisvalid IS FALSE THEN ' INVALID' ELSE '' END
  -- A superuser can switch off the triggers that a foreign key is made of.
  || CASE WHEN k.contype = 'f' AND EXISTS (SELECT FROM pg_trigger t
       WHERE t.tgconstraint = k.oid AND t.tgenabled <> 'O') THEN ' DISABLED' ELSE '' END,
  ''
FROM pg_constraint k
LEFT JOIN relation c ON c.oid = k.conrelid
LEFT JOIN type d ON d.oid = k.contypid
LEFT JOIN pg_index i ON i.indexrelid = k.conindid AND k.contype IN ('p', 'u', 'x')
LEFT JOIN pg_class r ON r.oid = i.indexrelid
WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND k.conparentid = 0 AND k.conislocal
  AND (c.oid IS NOT NULL OR d.oid IS NOT NULL)
