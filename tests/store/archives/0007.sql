BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0007');
CREATE TABLE chunk_parts (
	"key" BLOB NOT NULL, 
	part INTEGER NOT NULL, 
	data BLOB NOT NULL, 
	CONSTRAINT pk_chunk_parts PRIMARY KEY ("key", part), 
	CONSTRAINT fk_chunk_parts_key_chunk_sets FOREIGN KEY("key") REFERENCES chunk_sets ("key") ON DELETE CASCADE
);
CREATE TABLE chunk_sets (
	"key" BLOB NOT NULL, 
	content VARCHAR(64) NOT NULL, 
	document VARCHAR(64) NOT NULL, 
	chunks INTEGER NOT NULL, 
	warnings TEXT NOT NULL, 
	is_whole BOOLEAN NOT NULL, 
	kind VARCHAR(32) DEFAULT '' NOT NULL, 
	title BLOB DEFAULT '' NOT NULL, 
	language VARCHAR(16) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_chunk_sets PRIMARY KEY ("key"), 
	CONSTRAINT fk_chunk_sets_content_contents FOREIGN KEY(content) REFERENCES contents (sha256) ON DELETE CASCADE
);
CREATE TABLE collection_changes (
	collection VARCHAR(64) NOT NULL, 
	state INTEGER NOT NULL, 
	file INTEGER NOT NULL, 
	CONSTRAINT pk_collection_changes PRIMARY KEY (collection, state, file), 
	CONSTRAINT fk_collection_changes_collection_collections FOREIGN KEY(collection) REFERENCES collections (id) ON DELETE CASCADE
);
CREATE TABLE collection_files (
	number INTEGER NOT NULL, 
	collection VARCHAR(64) NOT NULL, 
	name BLOB NOT NULL, 
	source BLOB NOT NULL, 
	content VARCHAR(64) NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	title BLOB NOT NULL, 
	language VARCHAR(16) NOT NULL, 
	attributes TEXT NOT NULL, 
	added_at DOUBLE NOT NULL, 
	id_name BLOB, 
	CONSTRAINT pk_collection_files PRIMARY KEY (number), 
	CONSTRAINT uq_collection_files_collection_name UNIQUE (collection, name), 
	CONSTRAINT fk_collection_files_collection_collections FOREIGN KEY(collection) REFERENCES collections (id), 
	CONSTRAINT fk_collection_files_content_contents FOREIGN KEY(content) REFERENCES contents (sha256)
);
CREATE TABLE collections (
	id VARCHAR(64) NOT NULL, 
	name BLOB NOT NULL, 
	schema TEXT NOT NULL, 
	settings TEXT NOT NULL, 
	generation INTEGER NOT NULL, 
	state INTEGER NOT NULL, 
	created_at DOUBLE NOT NULL, 
	CONSTRAINT pk_collections PRIMARY KEY (id), 
	CONSTRAINT uq_collections_name UNIQUE (name)
);
CREATE TABLE contents (
	sha256 VARCHAR(64) NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	CONSTRAINT pk_contents PRIMARY KEY (sha256)
);
INSERT INTO "contents" VALUES('ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73',7);
CREATE TABLE files (
	id VARCHAR(64) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	name BLOB NOT NULL, 
	purpose VARCHAR(100) NOT NULL, 
	uploaded_at DOUBLE NOT NULL, 
	owner VARCHAR(64) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_files PRIMARY KEY (id), 
	CONSTRAINT fk_files_sha256_contents FOREIGN KEY(sha256) REFERENCES contents (sha256)
);
INSERT INTO "files" VALUES('file-cff79c6c294c8d6c05b81a68','ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73',X'6F6C64002E747874','batch',1.7961011563391654491e+09,'');
CREATE TABLE generations (
	id INTEGER NOT NULL, 
	collection VARCHAR(64) NOT NULL, 
	recipe TEXT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	switched_at DOUBLE, 
	report TEXT, 
	CONSTRAINT pk_generations PRIMARY KEY (id), 
	CONSTRAINT fk_generations_collection_collections FOREIGN KEY(collection) REFERENCES collections (id)
);
CREATE TABLE job_files (
	job_id VARCHAR(64) NOT NULL, 
	place INTEGER NOT NULL, 
	file_id BLOB NOT NULL, 
	name BLOB NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	attempts INTEGER NOT NULL, 
	content VARCHAR(64), 
	chunk_set BLOB, 
	chunks INTEGER NOT NULL, 
	warnings TEXT NOT NULL, 
	error_code TEXT, 
	error_message BLOB, 
	remedy BLOB, 
	changed INTEGER NOT NULL, 
	CONSTRAINT pk_job_files PRIMARY KEY (job_id, place), 
	CONSTRAINT fk_job_files_job_id_jobs FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE jobs (
	id VARCHAR(64) NOT NULL, 
	owner BLOB NOT NULL, 
	idempotency_key BLOB, 
	request TEXT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	is_cancelled BOOLEAN NOT NULL, 
	error TEXT, 
	progress TEXT NOT NULL, 
	maker TEXT, 
	created_at DOUBLE NOT NULL, 
	updated_at DOUBLE NOT NULL, 
	changes INTEGER NOT NULL, 
	lease_holder TEXT, 
	lease_until DOUBLE, 
	CONSTRAINT pk_jobs PRIMARY KEY (id), 
	CONSTRAINT uq_jobs_owner_idempotency_key UNIQUE (owner, idempotency_key)
);
CREATE TABLE leftovers (
	sha256 VARCHAR(64) NOT NULL, 
	since DOUBLE NOT NULL, 
	CONSTRAINT pk_leftovers PRIMARY KEY (sha256)
);
CREATE TABLE marks (
	id INTEGER NOT NULL, 
	"query" BLOB NOT NULL, 
	file INTEGER NOT NULL, 
	content VARCHAR(64) NOT NULL, 
	start INTEGER NOT NULL, 
	"end" INTEGER NOT NULL, 
	is_right BOOLEAN NOT NULL, 
	made_at DOUBLE NOT NULL, 
	CONSTRAINT pk_marks PRIMARY KEY (id), 
	CONSTRAINT fk_marks_file_collection_files FOREIGN KEY(file) REFERENCES collection_files (number) ON DELETE CASCADE
);
CREATE TABLE placements (
	generation INTEGER NOT NULL, 
	file INTEGER NOT NULL, 
	chunk_set BLOB NOT NULL, 
	segment VARCHAR(64), 
	CONSTRAINT pk_placements PRIMARY KEY (generation, file), 
	CONSTRAINT fk_placements_generation_generations FOREIGN KEY(generation) REFERENCES generations (id), 
	CONSTRAINT fk_placements_file_collection_files FOREIGN KEY(file) REFERENCES collection_files (number), 
	CONSTRAINT fk_placements_chunk_set_chunk_sets FOREIGN KEY(chunk_set) REFERENCES chunk_sets ("key")
);
CREATE TABLE segments (
	generation INTEGER NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	rows INTEGER NOT NULL, 
	CONSTRAINT pk_segments PRIMARY KEY (generation, name), 
	CONSTRAINT fk_segments_generation_generations FOREIGN KEY(generation) REFERENCES generations (id)
);
CREATE TABLE vector_store_files (
	collection VARCHAR(64) NOT NULL, 
	file_id BLOB NOT NULL, 
	name BLOB NOT NULL, 
	job_id VARCHAR(64) NOT NULL, 
	place INTEGER NOT NULL, 
	attributes TEXT, 
	created_at DOUBLE NOT NULL, 
	removed_at DOUBLE, 
	CONSTRAINT pk_vector_store_files PRIMARY KEY (collection, file_id), 
	CONSTRAINT fk_vector_store_files_collection_collections FOREIGN KEY(collection) REFERENCES collections (id)
);
CREATE TABLE vector_stores (
	collection VARCHAR(64) NOT NULL, 
	name BLOB, 
	description BLOB, 
	metadata TEXT NOT NULL, 
	expires_days INTEGER, 
	last_active_at DOUBLE NOT NULL, 
	CONSTRAINT pk_vector_stores PRIMARY KEY (collection), 
	CONSTRAINT fk_vector_stores_collection_collections FOREIGN KEY(collection) REFERENCES collections (id)
);
CREATE TABLE vector_uses (
	vector BLOB NOT NULL, 
	chunk_set BLOB NOT NULL, 
	CONSTRAINT pk_vector_uses PRIMARY KEY (vector, chunk_set), 
	CONSTRAINT fk_vector_uses_vector_vectors FOREIGN KEY(vector) REFERENCES vectors ("key"), 
	CONSTRAINT fk_vector_uses_chunk_set_chunk_sets FOREIGN KEY(chunk_set) REFERENCES chunk_sets ("key") ON DELETE CASCADE
);
CREATE TABLE vectors (
	"key" BLOB NOT NULL, 
	dimensions INTEGER NOT NULL, 
	tokens_used INTEGER NOT NULL, 
	tokens_cut INTEGER NOT NULL, 
	data BLOB NOT NULL, 
	CONSTRAINT pk_vectors PRIMARY KEY ("key")
);
CREATE INDEX ix_jobs_state ON jobs (state);
CREATE INDEX ix_files_sha256 ON files (sha256);
CREATE INDEX ix_files_uploaded_at ON files (uploaded_at);
CREATE INDEX ix_job_files_content ON job_files (content);
CREATE INDEX ix_job_files_chunk_set ON job_files (chunk_set);
CREATE INDEX ix_job_files_job_id_changed ON job_files (job_id, changed);
CREATE INDEX ix_chunk_sets_content ON chunk_sets (content);
CREATE INDEX ix_generations_collection ON generations (collection);
CREATE INDEX ix_collection_files_content ON collection_files (content);
CREATE INDEX ix_collection_files_id_name ON collection_files (id_name);
CREATE INDEX ix_collection_files_source ON collection_files (source);
CREATE INDEX ix_vector_store_files_file_id ON vector_store_files (file_id);
CREATE INDEX ix_vector_uses_chunk_set ON vector_uses (chunk_set);
CREATE INDEX ix_placements_file ON placements (file);
CREATE INDEX ix_placements_chunk_set ON placements (chunk_set);
CREATE INDEX ix_marks_file ON marks (file);
COMMIT;
