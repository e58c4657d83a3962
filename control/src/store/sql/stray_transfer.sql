SELECT transfers.id AS id, 'it moves money of another app than attempt ' || transfers.attempt || ' is of' AS owner
FROM transfers LEFT JOIN attempts ON attempts.id = transfers.attempt
WHERE attempts.id IS NULL
  OR (transfers.debit LIKE 'project:%' AND transfers.debit <> 'project:' || attempts.project)
  OR (transfers.credit LIKE 'project:%' AND transfers.credit <> 'project:' || attempts.project)
ORDER BY transfers.id LIMIT 1
