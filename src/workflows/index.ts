export { generateVideo } from './generate-video.ts';
