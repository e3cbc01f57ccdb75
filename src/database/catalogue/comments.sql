SELECT 'comment', d.classoid, d.objoid, d.objsubid, '', '', d.description
FROM pg_description d
-- What initdb made has lower numbers.
WHERE d.objoid >= 16384
