-- Record that a maintenance holds a DAG; again is nothing. Parameters: number, dag_id. Index: primary key.
insert into maintenance_dag (number, dag_id) values (:number, :dag_id) on conflict do nothing
