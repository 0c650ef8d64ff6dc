-- The floor under the gate, for MLflow's own database on PostgreSQL. Run by the owner of its tables, once; again
-- it changes nothing. MLflow then connects as a role that may read and write rows and nothing else; which version
-- may carry a protected alias stands in tables that this role can only read.

CREATE SCHEMA IF NOT EXISTS bounds_gate;

CREATE TABLE IF NOT EXISTS bounds_gate.protected (
    alias text PRIMARY KEY CHECK (alias = lower(alias))
);

CREATE TABLE IF NOT EXISTS bounds_gate.grants (
    workspace text NOT NULL,
    model text NOT NULL,
    alias text NOT NULL CHECK (alias = lower(alias)),
    version integer NOT NULL,
    decision text NOT NULL,
    expires timestamptz NOT NULL,
    PRIMARY KEY (workspace, model, alias, version)
);

CREATE OR REPLACE FUNCTION bounds_gate.is_granted(in_workspace text, in_model text, in_alias text, in_version integer)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT 1 FROM bounds_gate.grants
        WHERE workspace = in_workspace AND model = in_model AND alias = lower(in_alias)
          AND version = in_version AND expires > clock_timestamp()
    )
$$;

CREATE OR REPLACE FUNCTION bounds_gate.is_protected(in_alias text)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT 1 FROM bounds_gate.protected WHERE alias = lower(in_alias))
$$;

-- Where the platform's grants hold: a decision counts by model name and version, in each workspace that has them.
CREATE OR REPLACE FUNCTION bounds_gate.workspaces(in_model text, in_version integer)
RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'default'
    UNION
    SELECT workspace FROM {schema}.model_versions
    WHERE name = in_model AND version = in_version AND current_stage <> 'Deleted_Internal'
$$;

CREATE OR REPLACE FUNCTION bounds_gate.guard_alias()
RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND bounds_gate.is_protected(OLD.alias)
       AND (TG_OP = 'DELETE' OR (NEW.workspace, NEW.name, lower(NEW.alias)) IS DISTINCT FROM (OLD.workspace, OLD.name, lower(OLD.alias)))
       AND bounds_gate.is_granted(OLD.workspace, OLD.name, OLD.alias, OLD.version) THEN
        RAISE EXCEPTION 'the protected alias % of % is carried by version % on a decision that stands', OLD.alias, OLD.name, OLD.version
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF TG_OP <> 'DELETE' AND bounds_gate.is_protected(NEW.alias)
       AND NOT bounds_gate.is_granted(NEW.workspace, NEW.name, NEW.alias, NEW.version) THEN
        RAISE EXCEPTION 'no grant lets version % of % carry the protected alias %', NEW.version, NEW.name, NEW.alias
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END
$$;

CREATE OR REPLACE FUNCTION bounds_gate.guard_version()
RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.workspace, NEW.name, NEW.version, NEW.source, NEW.storage_location, NEW.run_id, NEW.current_stage)
       IS NOT DISTINCT FROM (OLD.workspace, OLD.name, OLD.version, OLD.source, OLD.storage_location, OLD.run_id, OLD.current_stage) THEN
        RETURN NEW;
    END IF;
    IF EXISTS (
        SELECT 1 FROM {schema}.registered_model_aliases AS held
        WHERE held.workspace = OLD.workspace AND held.name = OLD.name AND held.version = OLD.version
          AND bounds_gate.is_protected(held.alias)
    ) THEN
        RAISE EXCEPTION 'version % of % carries a protected alias and stays as it is', OLD.version, OLD.name
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END
$$;

DROP TRIGGER IF EXISTS bounds_gate_alias ON {schema}.registered_model_aliases;
CREATE TRIGGER bounds_gate_alias BEFORE INSERT OR UPDATE OR DELETE ON {schema}.registered_model_aliases
    FOR EACH ROW EXECUTE FUNCTION bounds_gate.guard_alias();
ALTER TABLE {schema}.registered_model_aliases ENABLE ALWAYS TRIGGER bounds_gate_alias;

DROP TRIGGER IF EXISTS bounds_gate_version ON {schema}.model_versions;
CREATE TRIGGER bounds_gate_version BEFORE UPDATE OR DELETE ON {schema}.model_versions
    FOR EACH ROW EXECUTE FUNCTION bounds_gate.guard_version();
ALTER TABLE {schema}.model_versions ENABLE ALWAYS TRIGGER bounds_gate_version;

REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;
GRANT USAGE ON SCHEMA {schema} TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {app};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {app};
GRANT USAGE ON SCHEMA bounds_gate TO {app}, {writer};
GRANT SELECT ON bounds_gate.protected, bounds_gate.grants TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON bounds_gate.protected, bounds_gate.grants TO {writer};
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA bounds_gate FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA bounds_gate TO {app};
GRANT EXECUTE ON FUNCTION bounds_gate.workspaces(text, integer) TO {writer};
