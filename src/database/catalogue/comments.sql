SELECT 'comment', d.classoid, d.objoid, d.objsubid, '', '', d.description
FROM pg_description d
-- What initdb made has lower numbers.
WHERE d.objoid >= 16384
  -- An extension brings its own, of which every version may have another.
  AND d.classoid <> 'pg_extension'::regclass
