// Apache Kafka as a subject: see ../peers/README.md.
import { serve } from "../subject.js";
import { wire } from "./measuring.js";

await serve({ wire });
