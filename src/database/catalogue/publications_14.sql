SELECT 'publication', 'pg_publication'::regclass::oid, p.oid, 0, quote_ident(p.pubname),
  concat_ws(' ',
    CASE WHEN p.puballtables THEN 'for all tables' END,
    (SELECT 'for table ' || string_agg(r.prrelid::regclass::text,
         ', ' ORDER BY r.prrelid::regclass::text COLLATE "C")
     FROM pg_publication_rel r WHERE r.prpubid = p.oid),
    CASE WHEN p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate THEN NULL
    ELSE 'publish ' || quote_literal(concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END,
      CASE WHEN p.pubupdate THEN 'update' END, CASE WHEN p.pubdelete THEN 'delete' END,
      CASE WHEN p.pubtruncate THEN 'truncate' END)) END,
    CASE WHEN p.pubviaroot THEN 'via root' END),
  ''
FROM pg_publication p
WHERE NOT EXISTS (SELECT FROM provider o WHERE o.oid = p.pubowner)
  AND NOT EXISTS (SELECT FROM member m WHERE m.class = 'pg_publication'::regclass AND m.oid = p.oid)
