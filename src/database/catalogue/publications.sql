SELECT 'publication', 'pg_publication'::regclass::oid, p.oid, 0, quote_ident(p.pubname),
  concat_ws(' ',
    CASE WHEN p.puballtables THEN 'for all tables' END,
    (SELECT 'for tables in schema ' || string_agg(quote_ident(n.nspname), ', ' ORDER BY n.nspname COLLATE "C")
     FROM pg_publication_namespace s JOIN pg_namespace n ON n.oid = s.pnnspid
     WHERE s.pnpubid = p.oid),
    (SELECT 'for table ' || string_agg(r.prrelid::regclass::text
         || CASE WHEN r.prattrs IS NULL THEN '' ELSE ' (' || (
              SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname COLLATE "C")
              FROM pg_attribute a WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)) || ')' END
         || CASE WHEN r.prqual IS NULL THEN '' ELSE ' where (' || pg_get_expr(r.prqual, r.prrelid) || ')' END,
         ', ' ORDER BY r.prrelid::regclass::text COLLATE "C")
     FROM pg_publication_rel r WHERE r.prpubid = p.oid),
    CASE WHEN p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate THEN NULL
    ELSE 'publish ' || quote_literal(concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END,
      CASE WHEN p.pubupdate THEN 'update' END, CASE WHEN p.pubdelete THEN 'delete' END,
      CASE WHEN p.pubtruncate THEN 'truncate' END)) END,
    CASE WHEN p.pubviaroot THEN 'via root' END,
    -- Since 18.
    CASE WHEN to_jsonb(p) ->> 'pubgencols' = 's' THEN 'with generated columns' END),
  ''
FROM pg_publication p
WHERE NOT EXISTS (SELECT FROM provider o WHERE o.oid = p.pubowner)
  AND NOT EXISTS (SELECT FROM member m WHERE m.class = 'pg_publication'::regclass AND m.oid = p.oid)
