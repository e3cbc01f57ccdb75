SELECT 'aggregate', 'pg_proc'::regclass::oid, p.oid, 0, p.name,
  '(' || pg_get_function_arguments(p.oid) || ')'
  || ' returns ' || pg_get_function_result(p.oid)
  || ' sfunc ' || a.aggtransfn::oid::regprocedure::text
  || ' stype ' || format_type(a.aggtranstype, NULL)
  || CASE WHEN a.aggtransspace = 0 THEN '' ELSE ' sspace ' || a.aggtransspace END
  || CASE WHEN a.aggfinalfn = 0 THEN ''
     ELSE ' finalfunc ' || a.aggfinalfn::oid::regprocedure::text
       || CASE WHEN a.aggfinalextra THEN ' extra' ELSE '' END
       || CASE WHEN a.aggfinalmodify = CASE a.aggkind WHEN 'n' THEN 'r' ELSE 'w' END THEN ''
          ELSE CASE a.aggfinalmodify WHEN 'r' THEN ' read_only' WHEN 's' THEN ' shareable'
            ELSE ' read_write' END END END
  || CASE WHEN a.aggcombinefn = 0 THEN '' ELSE ' combinefunc ' || a.aggcombinefn::oid::regprocedure::text END
  || CASE WHEN a.aggserialfn = 0 THEN '' ELSE ' serialfunc ' || a.aggserialfn::oid::regprocedure::text END
  || CASE WHEN a.aggdeserialfn = 0 THEN '' ELSE ' deserialfunc ' || a.aggdeserialfn::oid::regprocedure::text END
  || CASE WHEN a.agginitval IS NULL THEN '' ELSE ' initcond ' || quote_literal(a.agginitval) END
  || CASE WHEN a.aggmtransfn = 0 THEN ''
     ELSE ' msfunc ' || a.aggmtransfn::oid::regprocedure::text
       || ' minvfunc ' || a.aggminvtransfn::oid::regprocedure::text
       || ' mstype ' || format_type(a.aggmtranstype, NULL)
       || CASE WHEN a.aggmtransspace = 0 THEN '' ELSE ' msspace ' || a.aggmtransspace END
       || CASE WHEN a.aggmfinalfn = 0 THEN ''
          ELSE ' mfinalfunc ' || a.aggmfinalfn::oid::regprocedure::text
            || CASE WHEN a.aggmfinalextra THEN ' extra' ELSE '' END
            || CASE WHEN a.aggmfinalmodify = CASE a.aggkind WHEN 'n' THEN 'r' ELSE 'w' END THEN ''
               ELSE CASE a.aggmfinalmodify WHEN 'r' THEN ' read_only' WHEN 's' THEN ' shareable'
                 ELSE ' read_write' END END END
       || CASE WHEN a.aggminitval IS NULL THEN '' ELSE ' minitcond ' || quote_literal(a.aggminitval) END
     END
  || CASE WHEN a.aggsortop = 0 THEN '' ELSE ' sortop ' || a.aggsortop::regoperator::text END
  || CASE a.aggkind WHEN 'h' THEN ' hypothetical' WHEN 'o' THEN ' ordered_set' ELSE '' END
  || CASE p.proparallel WHEN 's' THEN ' parallel safe' WHEN 'r' THEN ' parallel restricted' ELSE '' END,
  ''
FROM routine p
JOIN pg_aggregate a ON a.aggfnoid = p.oid
