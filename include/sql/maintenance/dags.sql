-- Name the DAGs that a maintenance holds. Parameters: number. Index: primary key.
select dag_id from maintenance_dag where number = :number order by dag_id
